/** Outside test data, found by VECTORS_DIR (default ../shared/vectors beside the project). The project holds no copy. */
import { fromFileUrl, join } from "./paths.ts";

const folder = Deno.env.get("VECTORS_DIR") ??
  join(fromFileUrl(new URL("../../", import.meta.url)), "../shared/vectors");

/** A file of the set parsed as JSON; null, and one printed line, where the set is missing. */
export function readVectors<T>(path: string): T | null {
  const text = readVectorText(path);
  return text === null ? null : JSON.parse(text) as T;
}

/** A file of the set as text; null, and one printed line, where the set is missing. */
export function readVectorText(path: string): string | null {
  try {
    return Deno.readTextFileSync(join(folder, path));
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    console.log(`skipped: no ${path} in VECTORS_DIR (${folder})`);
    return null;
  }
}
