import { openSqliteStore } from "../../../core/store/sqlite.ts";
import { storeContract } from "./contract.ts";

storeContract("sqlite", async ({ now }) => {
  const folder = await Deno.makeTempDir();
  const store = await openSqliteStore({ folder, now });
  return {
    store,
    async end() {
      await store.close();
      await Deno.remove(folder, { recursive: true });
    },
  };
});
