/** The version of this program, as deno.json has it. */
import project from "../deno.json" with { type: "json" };

export const VERSION: string = project.version;
