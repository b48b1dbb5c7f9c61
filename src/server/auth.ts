/** Who calls: a bearer token in the header, nowhere else (T-07). */

// As RFC 6750 has it (b64token), with a bound; anything else cannot be a token of ours.
const BEARER = /^bearer +([A-Za-z0-9\-._~+/]{1,512}=*)$/i;

/** The token of an Authorization header; undefined when there is none or it is no bearer token. */
export function bearerToken(header: string | null | undefined): string | undefined {
  return BEARER.exec(header ?? "")?.[1];
}
