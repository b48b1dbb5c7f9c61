/** Why an image cannot be had, told apart by what the engine says: what will not be otherwise (LaunchRefused), and what may pass (DriverError). */
import { DriverError, LaunchRefused, type RegistryLogin } from "../driver.ts";

interface Kind {
  readonly says: RegExp;
  readonly final: boolean;
  words(image: string, host: string, loggedIn: boolean): string;
}

/** The first that fits; engines from 20.10 on say it so. */
const KINDS: readonly Kind[] = [
  {
    says: /no space left on device|disk quota exceeded/i,
    final: true,
    words: (image) => `there is not enough space for the image ${image} on the Docker host`,
  },
  {
    says: /no matching manifest for|does not match the (?:specified|detected) (?:host )?platform|no match for platform/i,
    final: true,
    words: (image) => `the image ${image} is for another platform than the Docker host`,
  },
  {
    says: /manifest unknown|manifest for .* not found|not found: manifest|name unknown|no such image/i,
    final: true,
    words: (image, host) => `there is no image ${image} at ${host}`,
  },
  {
    says: /toomanyrequests|too many requests/i,
    final: false,
    words: (_image, host) => `${host} takes no more requests for now; a login there may have room for more`,
  },
  {
    says: /access (?:to the resource is )?denied|unauthorized|authentication required|no basic auth|denied:|may require 'docker login'|forbidden|incorrect username or password|status(?: code)?:? 40[13]/i,
    final: true,
    words: (image, host, loggedIn) =>
      loggedIn
        ? `no access to the image ${image} with the login that is kept for ${host}, or there is none: gpu-dev registry login ${host} keeps another`
        : `no access to the image ${image}, or there is none: gpu-dev registry login ${host}, if it is not public`,
  },
  {
    // Of a name that is not there, as one that was mistyped; one that could not be asked about is told as "server misbehaving".
    says: /no such host/i,
    final: true,
    words: (_image, host) => `there is no registry ${host}, as far as the Docker host can find`,
  },
  {
    says: /connection refused|i\/o timeout|timeout|TLS|x509|network is unreachable|no route to host|server misbehaving|HTTP response to HTTPS|EOF|connection reset|request canceled|deadline exceeded|status(?: code)?:? 5\d\d|lookup /i,
    final: false,
    words: (_image, host) => `the registry ${host} cannot be reached from the Docker host`,
  },
];

/** `said` in words for users, with what the engine said behind them; `login` is what the registry was asked with. */
export function imageFault(
  image: string,
  host: string,
  said: string,
  login?: RegistryLogin,
): DriverError | LaunchRefused {
  const kind = KINDS.find(({ says }) => says.test(said));
  // An address that is no registry may be one that only the host reaches: what it answers is not for users.
  const reason = said
    .replace(/response body:.*/s, "response")
    .replace(/\s+/g, " ")
    .trim()
    .slice(0, 300);
  if (!kind) return new DriverError(`the image ${image} cannot be had: ${reason}`);
  const words = `${kind.words(image, host, login !== undefined)} (${reason})`;
  return kind.final ? new LaunchRefused(words) : new DriverError(words);
}
