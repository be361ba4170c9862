/** What no compiler has seen: a plugin whose phase is none. */
export default { name: "misspelt", handlers: { rctp: (_ctx: unknown, next: () => unknown) => next() } };
