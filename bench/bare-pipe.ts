/**
 * The least that a tunnel in Node can cost: two processes between ssh and sshd that pass bytes on as Node's streams do it, without
 * frames, acks or a way to resume. Usage: bare-pipe.ts relay ADDRESS PORT (prints its own port) | bare-pipe.ts client ADDRESS PORT
 */
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

const [role, host = "", port] = process.argv.slice(2);
const dial = (): Socket => connect({ host, port: Number(port), noDelay: true, allowHalfOpen: true });

function relay(): void {
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (near) => {
    const far = dial();
    near.pipe(far).pipe(near);
    near.on("error", () => near.destroy()).on("close", () => far.destroy());
    far.on("error", () => far.destroy()).on("close", () => near.destroy());
  });
  server.listen(0, host, () => console.log((server.address() as AddressInfo).port));
}

function client(): void {
  // What was used is written down as the process exits, not when a signal ends it.
  process.on("SIGHUP", () => process.exit());
  const socket = dial().on("end", () => process.stdout.write("", () => process.exit()));
  process.stdin.pipe(socket).pipe(process.stdout);
}

if (role === "relay") relay();
else client();
