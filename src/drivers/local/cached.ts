/** Answers that take their time. */

/** An answer that is kept for a while, and asked for once at a time. */
export class Cached<T> {
  readonly #ask: () => Promise<T>;
  #last: { readonly at: number; readonly answer: T } | undefined;
  #asking: Promise<T> | undefined;

  constructor(ask: () => Promise<T>) {
    this.#ask = ask;
  }

  /** At most so old. */
  async get(freshMs: number): Promise<T> {
    if (this.#last && performance.now() - this.#last.at <= freshMs) return this.#last.answer;
    this.#asking ??= this.#renew().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #renew(): Promise<T> {
    const answer = await this.#ask();
    this.#last = { at: performance.now(), answer };
    return answer;
  }
}

/** Undefined when the answer is not there within `ms`; it may still come, and is good for who asks next. */
export async function unlessLate<T>(answer: Promise<T>, ms: number): Promise<T | undefined> {
  const late = Promise.withResolvers<undefined>();
  const timer = setTimeout(() => late.resolve(undefined), ms);
  try {
    return await Promise.race([answer, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}
