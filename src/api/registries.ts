/** The contract's shapes of logins at image registries. A password is sent once and never answered. */
import * as z from "zod";
import { registryHost } from "./image-reference.ts";
import { instant } from "./schemas.ts";

const host = z
  .string()
  .max(255)
  .refine(
    (text) => registryHost(text) !== undefined,
    "is no host of a registry, such as ghcr.io or registry.example.org:5000",
  )
  .transform((text) => registryHost(text) ?? text);

export const registryLogin = z.object({
  host: z.string(),
  username: z.string(),
  created_at: instant,
});
export type RegistryLogin = z.infer<typeof registryLogin>;
export const registryLogins = z.object({ items: z.array(registryLogin) });

export const setRegistryLogin = z.strictObject({
  host,
  username: z.string().min(1).max(255),
  password: z
    .string()
    .min(1)
    .max(16_384)
    .describe("Or a token of the registry's, which can be taken back there"),
});
export type SetRegistryLogin = z.output<typeof setRegistryLogin>;

export const registryParams = z.strictObject({ host: z.string().min(1).max(255) });
