/**
 * Bundles the command line, the ssh-proxy and the server into dist/: ES modules, one chunk for each command, so that a run loads
 * only what it needs. Made beside dist/ and renamed into place, so that a running command never sees half a build.
 */
import { mkdir, mkdtemp, readFile, rename, rm } from "node:fs/promises";
import http from "node:http";
import { isBuiltin } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type Plugin } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const dist = join(root, "dist");

/** Native code, and what loads its own files by path. */
const EXTERNAL = ["better-sqlite3", "pg", "pg-native", "pino", "bufferutil", "utf-8-validate"];

/**
 * Node's own modules, without detours: a `require` of a CommonJS package is answered by the process (ES modules have none, and making one for
 * each chunk costs 6 ms at each start); an import of node:http, which as an ES module reads all that it exports, its
 * WebSocket too, and so loads undici (25 ms), takes what is there at once.
 */
const builtins: Plugin = {
  name: "builtins",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /./ }, ({ path, kind }) => {
      if (kind === "require-call" && isBuiltin(path)) return { path, namespace: "required" };
      return /^(node:)?http$/.test(path) ? { path, namespace: "imported" } : undefined;
    });
    onLoad({ filter: /./, namespace: "required" }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)});`,
    }));
    onLoad({ filter: /./, namespace: "imported" }, ({ path }) => ({
      contents: `const http = process.getBuiltinModule(${JSON.stringify(path)});
export default http;
export const { ${readyExports(http).join(", ")} } = http;`,
    }));
  },
};

/** Those that are values; the others are made when they are first read. */
const readyExports = (module: object): string[] =>
  Object.entries(Object.getOwnPropertyDescriptors(module)).flatMap(([name, { value }]) =>
    value === undefined ? [] : [name],
  );

/** Of our own package.json only the version goes along (src/api/version.ts). */
const versionOnly: Plugin = {
  name: "version-only",
  setup({ onLoad }) {
    onLoad({ filter: /package\.json$/ }, async ({ path }) => {
      if (path !== join(root, "package.json")) return undefined;
      const { version } = JSON.parse(await readFile(path, "utf8"));
      return { contents: JSON.stringify({ version }), loader: "json" };
    });
  },
};

async function bundle(outdir: string): Promise<void> {
  await build({
    absWorkingDir: root,
    entryPoints: { main: "src/cli/main.ts", "ssh-proxy": "src/tunnel/main.ts" },
    outdir,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "node24",
    minify: true,
    legalComments: "none",
    external: EXTERNAL,
    plugins: [builtins, versionOnly],
    logLevel: "warning",
  });
}

/** Puts the made directory in the place of dist/; again when another build got in between. */
async function replace(made: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const old = `${made}.old-${attempt}`;
    try {
      await rename(dist, old).catch(ignore("ENOENT"));
      await rename(made, dist);
      return;
    } catch (error) {
      if (attempt === 5) throw error;
      await ignore("ENOTEMPTY", "EEXIST")(error);
    } finally {
      await rm(old, { recursive: true, force: true });
    }
  }
}

const ignore =
  (...codes: string[]) =>
  async (error: unknown): Promise<void> => {
    if (!codes.includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
  };

const start = performance.now();
const workshop = join(root, ".setup");
await mkdir(workshop, { recursive: true });
const made = await mkdtemp(join(workshop, "dist-"));
try {
  await bundle(made);
  await replace(made);
} finally {
  await rm(made, { recursive: true, force: true });
}
console.log(`dist/ built in ${Math.round(performance.now() - start)} ms`);
