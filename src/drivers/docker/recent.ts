/** Some hundred bytes each. Of one that is forgotten an engine is asked again, or a line is said again. */
const MOST = 10_000;

/** What is known of pods, of those that were set last: who takes a pod away may be another server, of which this one never hears. */
export class Recent<V> extends Map<string, V> {
  /** Also one that is there is now the last; the first one makes room. */
  override set(pod: string, known: V): this {
    this.delete(pod);
    super.set(pod, known);
    const [first] = this.keys();
    if (first !== undefined && this.size > MOST) this.delete(first);
    return this;
  }
}
