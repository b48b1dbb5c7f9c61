/** The names that were added last, so many at most: for what is known or said once, in a memory that does not grow with all that there ever was. */
export class Recent extends Set<string> {
  readonly #most: number;

  constructor(most: number) {
    super();
    this.#most = most;
  }

  /** Also one that is there is now the last; the first one makes room. */
  override add(name: string): this {
    this.delete(name);
    super.add(name);
    const [first] = this;
    if (first !== undefined && this.size > this.#most) this.delete(first);
    return this;
  }
}
