/** Pieces of work as an operator sees them in a trace; who traces them, if anybody, is not the rules' business. */

/** What is said of a piece of work; what is not known is left out. */
type TraceFields = Readonly<Record<string, string | number | undefined>>;
/** For what is known only later. */
type Tell = (fields: TraceFields) => void;

/** Does `work` as the piece called `name` of whatever it is called from; gives and throws what `work` does. */
export type Trace = <T>(name: string, fields: TraceFields, work: (tell: Tell) => Promise<T>) => Promise<T>;

export const untraced: Trace = (_name, _fields, work) => work(() => undefined);
