/** Tracing, where OpenTelemetry is on (OTEL_DENO=true); where it is not, nothing of it is even loaded. */
import type { Tracing, TracingOptions } from "./tracing.ts";

/** Null: OpenTelemetry is off. */
export async function openTracing(options: TracingOptions): Promise<Tracing | null> {
  if (!/^(?:1|true)$/i.test(Deno.env.get("OTEL_DENO") ?? "")) return null;
  const { Tracing } = await import("./tracing.ts");
  return new Tracing(options);
}
