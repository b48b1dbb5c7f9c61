/** Some hundred bytes each. */
const MOST = 10_000;

/** What is known of the names that were set last, so many at most: for what is said or found out once, in a memory that does not grow with all that there ever was. */
export class Recent<V = true> extends Map<string, V> {
  readonly #most: number;

  constructor(most = MOST) {
    super();
    this.#most = most;
  }

  /** Also one that is there is now the last; the first one makes room. */
  override set(name: string, known: V): this {
    this.delete(name);
    super.set(name, known);
    const [first] = this.keys();
    if (first !== undefined && this.size > this.#most) this.delete(first);
    return this;
  }
}
