/** Tracing, where OpenTelemetry is on (OTEL_DENO=true); where it is not, nothing of it is even loaded. */
import type { Tracing, TracingOptions } from "./tracing.ts";

/** Null: OpenTelemetry is off. */
export async function openTracing(options: TracingOptions): Promise<Tracing | null> {
  if (!isAsked()) return null;
  const { Tracing } = await import("./tracing.ts");
  return new Tracing(options);
}

/** Who may not read the variable has not asked: a server that may do little still starts. */
function isAsked(): boolean {
  try {
    return /^(?:1|true)$/i.test(Deno.env.get("OTEL_DENO") ?? "");
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) return false;
    throw error;
  }
}
