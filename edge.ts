/**
 * Postern on an edge platform: the same plugins behind the platform's email event, or behind a web request that brings a
 * message. docs/edge.md tells the rest.
 *
 * @example
 * ```ts
 * import { MemoryResolver } from "postern";
 * import { edgeHost, keep } from "postern/edge";
 * import { assertEquals } from "@std/assert";
 *
 * const host = edgeHost({
 *   host: { name: "edge.example.org" },
 *   plugins: [],
 *   dns: new MemoryResolver({}), // dohResolver({ servers: ["https://..."] }) where there is a network
 *   auth: { secret: "0123456789abcdef" },
 *   deliver: keep((mail) => void mail.content()),
 *   log: () => {},
 * });
 * const response = await host.fetch(new Request("https://edge.example.org/"));
 * assertEquals(response.status, 405);
 * ```
 *
 * @module
 */
export * from "./core/edge/mod.ts";
