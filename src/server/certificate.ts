/** The certificate that the server shows, and how a new one takes its place while it runs: sessions go on (X-06). */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import type { Logger } from "pino";
import { type Clock, realClock } from "../tunnel/clock.ts";
import { StartError } from "./config/config.ts";

export interface TlsFiles {
  readonly cert: string;
  readonly key: string;
}

export interface Pair {
  /** PEM: the server's certificate first, then those that lead to its authority. */
  readonly cert: Buffer;
  readonly key: Buffer;
  /** The first of them. */
  readonly leaf: X509Certificate;
}

/** How often the files are looked at: tools that renew certificates know nothing of us. */
const LOOK_MS = 10_000;

/** The pair in these files. Throws StartError when one cannot be read, or they do not belong together. */
export async function readPair(files: TlsFiles): Promise<Pair> {
  const cert = await readPart("tls_cert", files.cert);
  const key = await readPart("tls_key", files.key);
  const leaf = parsed(() => new X509Certificate(cert), `tls_cert ${files.cert} is no certificate in PEM`);
  const own = parsed(
    () => createPrivateKey(key),
    `tls_key ${files.key} is no private key without a password`,
  );
  if (!leaf.checkPrivateKey(own))
    throw new StartError(`tls_key ${files.key} is not the key of the certificate in ${files.cert}`);
  parsed(() => createSecureContext({ cert, key }), `tls_cert ${files.cert} cannot be used`);
  return { cert, key, leaf };
}

async function readPart(name: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new StartError(`${name} ${path} cannot be read (${code})`, { cause });
  }
}

function parsed<T>(parse: () => T, words: string): T {
  try {
    return parse();
  } catch (cause) {
    throw new StartError(words, { cause });
  }
}

/** `url` by a name that the certificate has, since clients check it; as it is when it has none that is no pattern. */
export function urlBy({ leaf }: Pair, url: string): string {
  const { hostname, port } = new URL(url);
  if (leaf.checkIP(hostname.replace(/^\[|\]$/g, ""))) return url;
  const name = leaf.subjectAltName?.split(", ").find((each) => /^DNS:[^*]+$/.test(each));
  // The port that https has by itself is none in a URL.
  return name === undefined ? url : `https://${name.slice("DNS:".length)}${port && `:${port}`}`;
}

/** The pair that is shown now. What is in the files is taken when it is good; what is not is told once, and the pair stays. */
export class Certificate {
  readonly #files: TlsFiles;
  readonly #logger: Logger;
  readonly #stop: () => void;
  readonly #takers: ((pair: Pair) => void)[] = [];
  #pair: Pair;
  #fault: string | undefined;
  /** One look after the other. */
  #turn: Promise<void> = Promise.resolve();

  /** Throws StartError for a pair that cannot be used. */
  static async open(files: TlsFiles, logger: Logger, clock: Clock = realClock): Promise<Certificate> {
    const certificate = new Certificate(files, await readPair(files), logger, clock);
    if (isOver(certificate.pair))
      logger.warn({ file: files.cert, ...datesOf(certificate.pair) }, "the TLS certificate is not valid now");
    return certificate;
  }

  private constructor(files: TlsFiles, pair: Pair, logger: Logger, clock: Clock) {
    this.#files = files;
    this.#pair = pair;
    this.#logger = logger;
    this.#stop = clock.every(LOOK_MS, () => void this.look());
  }

  get pair(): Pair {
    return this.#pair;
  }

  /** Seconds since 1970. */
  get endsAt(): number {
    return this.#pair.leaf.validToDate.getTime() / 1000;
  }

  /** From now on told of each new pair. */
  onNew(take: (pair: Pair) => void): void {
    this.#takers.push(take);
  }

  /** Reads the files again; never rejects. */
  look(): Promise<void> {
    this.#turn = this.#turn.then(() => this.#look());
    return this.#turn;
  }

  close(): void {
    this.#stop();
  }

  async #look(): Promise<void> {
    try {
      const pair = await readPair(this.#files);
      if (isOver(pair) && !isOver(this.#pair))
        throw new StartError(`tls_cert ${this.#files.cert} is not valid now`);
      this.#fault = undefined;
      if (pair.cert.equals(this.#pair.cert) && pair.key.equals(this.#pair.key)) return;
      for (const take of this.#takers) take(pair);
      this.#pair = pair;
      this.#logger.info(
        { file: this.#files.cert, ...datesOf(pair) },
        "a new TLS certificate is shown from now on",
      );
    } catch (err) {
      const words = (err as Error).message;
      if (words === this.#fault) return;
      this.#fault = words;
      this.#logger.error({ err }, "the new TLS certificate is not taken; the one before stays");
    }
  }
}

const isOver = ({ leaf }: Pair): boolean => {
  const now = Date.now();
  return now < leaf.validFromDate.getTime() || now > leaf.validToDate.getTime();
};

const datesOf = ({ leaf }: Pair) => ({
  from: leaf.validFromDate,
  to: leaf.validToDate,
  names: leaf.subjectAltName,
});
