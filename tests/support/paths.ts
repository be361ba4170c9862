/** Paths for tests. */
export { join } from "node:path";
import { fileURLToPath } from "node:url";

export function fromFileUrl(url: URL): string {
  return fileURLToPath(url);
}
