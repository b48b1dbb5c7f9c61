/** node:http or node:https, by a URL. TLS costs a sixth of the ssh-proxy's start, so that it is loaded only for who needs it. */
import http from "node:http";

/** The `request` that `url` needs. */
export const requesterFor = (url: URL): typeof http.request =>
  url.protocol === "https:" ? process.getBuiltinModule("node:https").request : http.request;
