/**
 * Where to listen, as text, and whether this process may. Non-job: listening (listener.ts).
 */

/** An address and a port, or a socket file. */
export type ListenAddress = { readonly host: string; readonly port: number } | { readonly path: string };

export function endpointOf({ host, port }: { readonly host: string; readonly port: number }): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** What to do about a permission that is missing, or null. The runtime throws it later, where nobody can catch it. */
export function lackingPermission(address: ListenAddress): string | null {
  const place = "path" in address ? address.path : endpointOf(address);
  const wanted: Deno.PermissionDescriptor[] = "path" in address
    ? [{ name: "read", path: place }, { name: "write", path: place }]
    : [{ name: "net", host: place }];
  const lacking = wanted.find((each) => Deno.permissions.querySync(each).state !== "granted");
  return lacking === undefined
    ? null
    : `Requires ${lacking.name} access to ${place}: add --allow-${lacking.name}=${place}`;
}
