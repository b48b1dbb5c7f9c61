/** What a pod's container is made of: its configuration, and the files that it begins with. */
import { LaunchRefused, type PodSpec } from "../driver.ts";
import { hostName } from "../local/peers.ts";
import { keysText, sshdConfig, word } from "../local/sshd-config.ts";
import { entrypointScript } from "./entrypoint.ts";
import { environmentOf, gangHosts, nameOf } from "./environment.ts";
import { INIT_SCRIPT } from "./init-script.ts";
import { LABEL, type Names } from "./names.ts";
import { CONTROL, SSH_USER } from "./places.ts";
import type { Share } from "./share.ts";
import { type TarEntry, tarOf } from "./tar.ts";
import { BASH, type Tools } from "./tools.ts";
import { type ToolsPlace, toolsMount } from "./tools-volume.ts";
import { UPDATE_SCRIPT } from "./update-script.ts";

/** What an image says of how it is run; see the OCI image configuration. */
export interface ImageConfig {
  readonly User?: string;
  readonly Env?: readonly string[] | null;
  readonly Entrypoint?: readonly string[] | null;
  readonly Cmd?: readonly string[] | null;
  readonly WorkingDir?: string;
}

export interface PodPlan {
  readonly names: Names;
  readonly spec: PodSpec;
  readonly image: { readonly id: string; readonly config: ImageConfig };
  readonly tools: Tools;
  readonly place: ToolsPlace;
  readonly network: string;
  readonly share: Share;
  /** More of them, as its home. */
  readonly mounts: readonly object[];
}

/**
 * What sshd needs to let somebody in, and what root of an image needs to install packages. Not among them: to make devices, to forge
 * packets, to give files capabilities, to administer anything.
 */
const CAPABILITIES =
  "AUDIT_WRITE CHOWN DAC_OVERRIDE FOWNER FSETID KILL NET_BIND_SERVICE SETGID SETUID SYS_CHROOT".split(" ");
/** What it says is numbered lines: the engine keeps the last of them. */
const LOG = { Type: "json-file", Config: { "max-size": "1m", "max-file": "2" } };
/** They would change what our own programs are; sessions have them, but for those of the loader. */
const UNSET = /^(?:LD_|BASH_ENV$|ENV$|BASH_FUNC_|SHELLOPTS$|BASHOPTS$|PS4$)/;

/** The body of a request to create the container. */
export function containerOf({ names, spec, image, place, network, share, mounts }: PodPlan) {
  const alias = hostName(spec.reservationId, spec.gang?.rank);
  return {
    Image: image.id,
    Hostname: alias,
    Entrypoint: [BASH, `${CONTROL}/init`],
    Cmd: [image.config.User ?? ""],
    User: "0:0",
    WorkingDir: "/",
    // A name without a value takes the image's away.
    Env: (image.config.Env ?? []).map(nameOf).filter((name) => UNSET.test(name)),
    Healthcheck: { Test: ["NONE"] },
    StopSignal: "SIGTERM",
    Labels: {
      [LABEL.deployment]: names.deployment,
      [LABEL.reservation]: spec.reservationId,
      [LABEL.pod]: spec.name,
      [LABEL.rank]: String(spec.gang?.rank ?? 0),
      [LABEL.node]: spec.node,
      ...(share.ids.length > 0 && { [LABEL.gpus]: share.ids.join(",") }),
      ...(spec.disk && { [LABEL.disk]: spec.disk.volume }),
    },
    HostConfig: {
      Mounts: [toolsMount(place), ...mounts],
      NetworkMode: network,
      // One that died is dead: what ran in it does not come back by itself.
      RestartPolicy: { Name: "no" },
      Privileged: false,
      CapDrop: ["ALL"],
      CapAdd: CAPABILITIES,
      SecurityOpt: ["no-new-privileges"],
      IpcMode: "private",
      LogConfig: LOG,
      ...share.limits,
      DeviceRequests: share.devices,
    },
    NetworkingConfig: { EndpointsConfig: { [network]: { Aliases: [alias] } } },
  };
}

/** The files that its init begins with, as an archive for the root of the container. */
export function controlFiles(plan: PodPlan): Buffer {
  const { spec, share } = plan;
  const environment = environmentOf(plan);
  const files: TarEntry[] = [
    { path: "init", mode: 0o600, data: INIT_SCRIPT },
    { path: "update", mode: 0o600, data: UPDATE_SCRIPT },
    { path: "host_key", mode: 0o600, data: line(spec.hostKey) },
    { path: "authorized_keys", mode: 0o644, data: keysText(spec.authorizedKeys, undefined) },
    { path: "seconds", mode: 0o600, data: line(String(spec.deadlineS)) },
    { path: "profile", mode: 0o600, data: profileOf(environment.PATH ?? "") },
    { path: "sshd_config", mode: 0o600, data: configOf(plan, environment) },
    { path: "gpus", mode: 0o600, data: line(share.ids.join(",")) },
    ...peerFiles(spec),
    ...(spec.keepEntrypoint ? entrypointFile(plan, environment) : []),
  ];
  const place = CONTROL.slice(1);
  return tarOf([
    { path: `${place}/`, mode: 0o711 },
    ...files.map((file) => ({ ...file, path: `${place}/${file.path}` })),
  ]);
}

function entrypointFile({ image }: PodPlan, environment: Record<string, string>): TarEntry[] {
  const data = entrypointScript(image.config, environment);
  return data === undefined ? [] : [{ path: "entrypoint", mode: 0o600, data }];
}

const line = (text: string): string => (text.endsWith("\n") ? text : `${text}\n`);

function configOf({ spec, tools }: PodPlan, environment: Record<string, string>): string {
  const parts = { "sshd-session": "SshdSessionPath", "sshd-auth": "SshdAuthPath" };
  return sshdConfig({
    openSsh: tools.openSsh,
    control: CONTROL,
    user: SSH_USER,
    environment,
    forced: false,
    // The first value of each counts.
    first: [
      "Port 22",
      "ListenAddress 0.0.0.0",
      // By this a dial knows that an address is the pod's, and not that of somebody else's in another network.
      `VersionAddendum ${spec.name}`,
      // It is the image's user, who may be root in the container.
      "PermitRootLogin prohibit-password",
      ...Object.entries(parts).flatMap(([name, keyword]) => {
        const path = tools.sshdParts.get(name);
        return path === undefined ? [] : [`${keyword} ${path}`];
      }),
    ],
  });
}

/** Quoted as a shell reads it. */
const profileOf = (path: string): string => `export PATH='${path.replaceAll("'", `'\\''`)}'\n`;

/** What the ssh client of a pod of several reads: the engine resolves the names of the others. */
function peerFiles({ gang, reservationId }: PodSpec): TarEntry[] {
  if (!gang) return [];
  const config = [
    `Host ${gangHosts(reservationId, gang.size).join(" ")}`,
    `  User ${SSH_USER}`,
    "  HostKeyAlias gpu-dev-peer",
    `  UserKnownHostsFile ${word(`${CONTROL}/peer_hosts`)}`,
    "  StrictHostKeyChecking yes",
    "  UpdateHostKeys no",
    `  IdentityFile ${word(`${CONTROL}/peer_key`)}`,
    "  IdentitiesOnly yes",
    "Match all",
    "",
  ];
  return [
    { path: "peer_key", mode: 0o600, data: line(gang.privateKey) },
    { path: "peer_hosts", mode: 0o644, data: `gpu-dev-peer ${gang.hostKey}\n` },
    { path: "ssh_config", mode: 0o644, data: config.join("\n") },
  ];
}

/** Throws LaunchRefused for a user who could be taken for something else. */
export function checkImageUser({ User = "" }: ImageConfig): void {
  if (/^[\w.-]*(?::[\w.-]+)?$/.test(User)) return;
  throw new LaunchRefused(`the image's user ${JSON.stringify(User.slice(0, 80))} is not the name of one`);
}
