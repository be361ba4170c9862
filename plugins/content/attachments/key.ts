/** What the attachments plugin found, for plugins after it: the findings of all rules that are not ignored. */
import { type Key, key } from "../../../core/pipeline/mod.ts";
import type { Finding } from "./rules.ts";

export const ATTACHMENTS: Key<readonly Finding[]> = key("attachments");
