/** What a pod's container is made of: its configuration, and what its init is told. */
import { LaunchRefused, type PodSpec } from "../driver.ts";
import { hostName } from "../local/peers.ts";
import { keysText, sshdConfig, word } from "../local/sshd-config.ts";
import { EXIT } from "./death.ts";
import { entrypointScript } from "./entrypoint.ts";
import { environmentOf, gangHosts, nameOf } from "./environment.ts";
import { INIT_SCRIPT } from "./init-script.ts";
import { allLabels, LABEL, type Names } from "./names.ts";
import { CONTROL, SSH_USER } from "./places.ts";
import { listenerCalled, quoted } from "./script.ts";
import type { Share } from "./share.ts";
import { TOOLS, type Tools } from "./tools.ts";
import { type ToolsPlace, toolsMount } from "./tools-volume.ts";

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
export const CAPABILITIES =
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
    Entrypoint: listenerCalled("init"),
    Cmd: [image.config.User ?? ""],
    // It sees the end of whoever begins to tell it what to do, and ends then.
    OpenStdin: true,
    StdinOnce: true,
    User: "0:0",
    WorkingDir: "/",
    Env: [
      // A name without a value takes the image's away.
      ...(image.config.Env ?? []).map(nameOf).filter((name) => UNSET.test(name)),
      // Where NVIDIA's runtime is the engine's default, many images would have all GPUs by theirs.
      ...(share.devices.length === 0 ? ["NVIDIA_VISIBLE_DEVICES=void"] : []),
    ],
    Healthcheck: { Test: ["NONE"] },
    StopSignal: "SIGTERM",
    // An image has labels too, which are the container's where nothing else is said.
    Labels: allLabels({
      [LABEL.deployment]: names.deployment,
      [LABEL.reservation]: spec.reservationId,
      [LABEL.pod]: spec.name,
      [LABEL.rank]: String(spec.gang?.rank ?? 0),
      [LABEL.node]: spec.node,
      [LABEL.gpus]: share.ids.join(","),
      [LABEL.disk]: spec.disk?.volume ?? "",
    }),
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

/** What its init is told: its files, and what to do with them. */
export function initScript(plan: PodPlan): string {
  const { spec, share } = plan;
  const environment = environmentOf(plan);
  const files: ControlFile[] = [
    { name: "host_key", text: line(spec.hostKey) },
    { name: "authorized_keys", text: keysText(spec.authorizedKeys, undefined), isPublic: true },
    { name: "seconds", text: line(String(spec.deadlineS)) },
    { name: "profile", text: `export PATH=${quoted(environment.PATH ?? "")}\n` },
    { name: "sshd_config", text: configOf(plan, environment) },
    { name: "gpus", text: line(share.ids.join(",")) },
    ...peerFiles(spec),
    ...(spec.keepEntrypoint ? entrypointFile(plan, environment) : []),
  ];
  return [
    `file() { { printf %s "$2" >"${CONTROL}/$1"; } 2>&1 || exit ${EXIT.untold}; }`,
    `${TOOLS}/bin/mkdir -p -m 711 ${CONTROL}`,
    "umask 077",
    ...files.filter(({ isPublic }) => !isPublic).map(writing),
    "umask 022",
    ...files.filter(({ isPublic }) => isPublic).map(writing),
    INIT_SCRIPT,
  ].join("\n");
}

/** Only root reads those that are not public. */
interface ControlFile {
  readonly name: string;
  readonly text: string;
  readonly isPublic?: true;
}

const writing = ({ name, text }: ControlFile): string => `file ${name} ${quoted(text)}`;

function entrypointFile({ image }: PodPlan, environment: Record<string, string>): ControlFile[] {
  const text = entrypointScript(image.config, environment);
  return text === undefined ? [] : [{ name: "entrypoint", text }];
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
        const path = tools.sshdParts[name];
        return path === undefined ? [] : [`${keyword} ${path}`];
      }),
    ],
  });
}

/** What the ssh client of a pod of several reads: the engine resolves the names of the others. */
function peerFiles({ gang, reservationId }: PodSpec): ControlFile[] {
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
    { name: "peer_key", text: line(gang.privateKey) },
    { name: "peer_hosts", text: `gpu-dev-peer ${gang.hostKey}\n`, isPublic: true },
    { name: "ssh_config", text: config.join("\n"), isPublic: true },
  ];
}

/** Throws LaunchRefused for a user who could be taken for something else. */
export function checkImageUser({ User = "" }: ImageConfig): void {
  if (/^[\w.-]*(?::[\w.-]+)?$/.test(User)) return;
  throw new LaunchRefused(`the image's user ${JSON.stringify(User.slice(0, 80))} is not the name of one`);
}
