/** The version of this package, one for command line and server; the bundler inlines it. */
import manifest from "../../package.json" with { type: "json" };

export const VERSION: string = manifest.version;
