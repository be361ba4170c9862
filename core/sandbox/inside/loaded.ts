/** Runs when the modules of a sandbox are loaded, before its plugin: what is imported first runs first. Non-job: the shim's. */
import { loaded } from "./shim.ts";

loaded();
