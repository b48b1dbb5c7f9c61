/** Tokens that may be guesses: of one network no more are tried at once than may still fail. */
import { Problem } from "../api/errors.ts";
import { Recent } from "../api/recent.ts";
import type { Buckets } from "./buckets.ts";

/** Beyond so many, those that were good longest ago are tried like new ones. */
const MAX_PROVEN = 10_000;

/** True for a token that is good for nothing, whatever it was meant for. */
export const isFailedLogin = (error: unknown): boolean =>
  error instanceof Problem && error.code === "not_logged_in";

interface Going {
  count: number;
  /** Rings when one of them is over. */
  bell: PromiseWithResolvers<void>;
}

export class Trials {
  readonly #failures: Buckets;
  readonly #refusal: (waitS: number) => Problem;
  /** What was good a moment ago does not suffer from what others behind the same address try. */
  readonly #proven = new Recent(MAX_PROVEN);
  readonly #going = new Map<string, Going>();

  /** `failures` are by network; `refusal` is for who has none left. */
  constructor(failures: Buckets, refusal: (waitS: number) => Problem) {
    this.#failures = failures;
    this.#refusal = refusal;
  }

  /** `login` by this token; from an undefined network without a limit. Throws the refusal. */
  async run<T>(token: string, network: string | undefined, login: () => Promise<T>): Promise<T> {
    const free = network === undefined || this.#proven.has(token);
    try {
      const done = await (free ? login() : this.#try(network, login));
      this.#proven.set(token, true);
      return done;
    } catch (error) {
      if (isFailedLogin(error)) this.#proven.delete(token);
      throw error;
    }
  }

  /** A failure is taken ahead, and given back when it was none. */
  async #try<T>(network: string, login: () => Promise<T>): Promise<T> {
    const going = await this.#turn(network);
    let failed = false;
    try {
      return await login();
    } catch (error) {
      failed = isFailedLogin(error);
      throw error;
    } finally {
      if (!failed) this.#failures.giveBack(network);
      going.count -= 1;
      if (going.count === 0) this.#going.delete(network);
      going.bell.resolve();
      going.bell = Promise.withResolvers();
    }
  }

  /** Most tokens are good: where others are being tried, there may be room in a moment. */
  async #turn(network: string): Promise<Going> {
    for (;;) {
      const waitS = this.#failures.take(network);
      const going = this.#going.get(network) ?? { count: 0, bell: Promise.withResolvers() };
      if (waitS > 0 && going.count === 0) throw this.#refusal(waitS);
      if (waitS === 0) {
        // At once, so that whoever waits sees that it is being tried.
        going.count += 1;
        this.#going.set(network, going);
        return going;
      }
      await going.bell.promise;
    }
  }
}
