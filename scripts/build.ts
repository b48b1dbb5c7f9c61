/**
 * Bundles the command line, the ssh-proxy and the server into dist/: ES modules, one chunk for each command, so that a run loads
 * only what it needs. Made beside dist/ and renamed into place, so that a running command never sees half a build.
 */
import { chmod, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { isBuiltin } from "node:module";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type Plugin } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const dist = join(root, "dist");

/** Native code, and what loads its own files by path. */
const EXTERNAL = ["better-sqlite3", "pg", "pg-native", "pino", "bufferutil", "utf-8-validate"];

/** What a CommonJS package requires of Node's own modules is answered by the process: ES modules have no `require`, and making one for each chunk costs 6 ms. */
const required: Plugin = {
  name: "required",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /./ }, ({ path, kind }) =>
      kind === "require-call" && isBuiltin(path) ? { path, namespace: "required" } : undefined,
    );
    // commander would start programs of their own for subcommands; ours are functions.
    onResolve({ filter: /^node:child_process$/ }, ({ path, importer }) =>
      importer.includes("/commander/") ? { path, namespace: "unused" } : undefined,
    );
    onLoad({ filter: /./, namespace: "unused" }, () => ({ contents: "export default {};" }));
    onLoad({ filter: /./, namespace: "required" }, ({ path }) => ({
      contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)});`,
    }));
  },
};

/**
 * An import of one of Node's own modules reads all that it exports, and so makes what is made when it is first read: the streams of
 * node:fs, the WebSocket of node:http (undici, 25 ms). Taken from the process instead, only what is named is read.
 */
const withoutDetours = (code: string): string =>
  code.replace(BUILTIN_IMPORT, (statement, whole?: string, named?: string, path = "") => {
    if (!isBuiltin(path)) return statement;
    const names = [whole?.replace(/^\* ?as /, ""), named?.replaceAll(" as ", ":")].filter((each) => each);
    return `const ${names.map((each) => `${each}=process.getBuiltinModule("${path}")`).join(",")}`;
  });

const BUILTIN_IMPORT = /\bimport ?((?:\* ?as )?[\w$]+)?,? ?(\{[\w$ ,]+\})? ?from ?"([\w:/]+)"/g;

/** Of our own package.json only the version goes along. */
const versionOnly: Plugin = {
  name: "version-only",
  setup({ onLoad }) {
    onLoad({ filter: /src\/api\/version\.ts$/ }, async () => {
      const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
      return { contents: `export const VERSION = ${JSON.stringify(version)};`, loader: "ts" };
    });
  },
};

/**
 * What every command needs stands in few files: each more costs a millisecond at each start. The bundler joins modules that the same
 * entries reach, so whatever is loaded later is made to reach all that the start has loaded already.
 */
const together: Plugin = {
  name: "together",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^\./ }, ({ path, kind, importer, resolveDir }) => {
      const file = join(resolveDir, path);
      const later = kind === "entry-point" || (kind === "dynamic-import" && importer.startsWith(source));
      return later ? { path: file, namespace: "later" } : undefined;
    });
    onLoad({ filter: /./, namespace: "later" }, ({ path }) => ({
      contents: [`export * from ${JSON.stringify(path)};`, ...EARLY].join("\n"),
      resolveDir: source,
    }));
  },
};

const source = join(root, "src/");
const EARLY = ["start", "commands/list", "commands/reserve"].map((file) => `import "./cli/${file}.ts";`);

/** The entry and what it answers before anything else is loaded share no file with the rest: each is a bundle of its own. */
const apart: Plugin = {
  name: "apart",
  setup({ onResolve }) {
    onResolve({ filter: /\/(start|complete|ssh-proxy)\.ts$/ }, ({ path, kind }) =>
      kind === "dynamic-import" ? { path: `./${basename(path, ".ts")}.js`, external: true } : undefined,
    );
  },
};

async function bundle(outdir: string): Promise<void> {
  const common = {
    absWorkingDir: root,
    outdir,
    write: false,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node24",
    minify: true,
    legalComments: "none",
    external: EXTERNAL,
    logLevel: "warning",
  } as const;
  const [cli, alone] = await Promise.all([
    build({
      ...common,
      entryPoints: { start: "./src/cli/start.ts" },
      splitting: true,
      plugins: [required, versionOnly, together],
    }),
    build({
      ...common,
      entryPoints: {
        main: "src/cli/main.ts",
        complete: "src/cli/completion/complete.ts",
        "ssh-proxy": "src/tunnel/main.ts",
        "disk-worker": "src/drivers/local-disks/worker.ts",
        "disk-agent": "src/drivers/docker-disks/agent.ts",
        "take-tools": "src/drivers/docker/take-tools.ts",
      },
      plugins: [versionOnly, apart],
    }),
  ]);
  for (const { path, text } of [...cli.outputFiles, ...alone.outputFiles])
    await writeFile(path, withoutDetours(text));
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
  // Where one user installs for all, all may run it.
  await chmod(made, 0o755);
  await replace(made);
} finally {
  await rm(made, { recursive: true, force: true });
}
console.log(`dist/ built in ${Math.round(performance.now() - start)} ms`);
