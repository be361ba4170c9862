/** x */
import { Draft } from "../draft.ts";
import type { Sources } from "../sources.ts";
export function importHaraka(_: Sources): Promise<Draft> { return Promise.resolve(new Draft()); }
