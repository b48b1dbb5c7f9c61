/** One GET by TLS, for a client that trusts one authority only. */

import { readFileSync } from "node:fs";
import { type Agent, get } from "node:https";

/** Rejects when the server's certificate is of another authority; `authority` is a file. */
export function getText(
  url: string,
  authority: string,
  agent?: Agent,
): Promise<{ readonly status: number | undefined; readonly text: string }> {
  return new Promise((resolve, reject) => {
    const options = { ca: readFileSync(authority), ...(agent ? { agent } : {}) };
    get(url, options, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part) => {
        text += part;
      });
      response.on("end", () => resolve({ status: response.statusCode, text }));
    }).on("error", reject);
  });
}
