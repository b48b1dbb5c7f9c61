/** Work on the same thing takes turns; work on different things does not wait. */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Runs `work` after all that was asked for `key` before, whether that went well or not. */
  take<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key) ?? Promise.resolve();
    const turn = before.then(work, work);
    this.#last.set(key, turn);
    const leave = () => {
      if (this.#last.get(key) === turn) this.#last.delete(key);
    };
    turn.then(leave, leave);
    return turn;
  }

  /** Resolves when nothing is in hand. */
  async rest(): Promise<void> {
    await Promise.allSettled(this.#last.values());
  }
}
