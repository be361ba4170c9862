/**
 * The store in PostgreSQL holds the same contract as the others, on a server of this file's own: a database for each test.
 */
import { openPostgresStore } from "../../../core/store/postgres/mod.ts";
import { PostgresServer, whatPostgresLacks } from "../../support/postgres.ts";
import { testUnless } from "../../support/debian.ts";
import { TempFolder } from "../../support/temp.ts";
import { storeContract } from "./contract.ts";

const missing = whatPostgresLacks();
let made: Promise<{ readonly server: PostgresServer; readonly tables: string }> | null = null;

/** The server, and a database with the tables for others to be copied from. */
async function make(): Promise<{ readonly server: PostgresServer; readonly tables: string }> {
  const server = await PostgresServer.start();
  const tables = await server.database();
  await using folder = await TempFolder.make();
  await (await openPostgresStore({ url: tables, folder: folder.path })).close();
  return { server, tables };
}

if (missing !== null) testUnless(missing, "postgres: the contract of a store", async () => {});
else {
  storeContract("postgres", async ({ now }) => {
    const folder = await TempFolder.make();
    const { server, tables } = await (made ??= make());
    const url = await server.database({ like: tables });
    const store = await openPostgresStore({ url, folder: folder.at("spool"), now });
    return {
      store,
      end: async () => {
        await store.close();
        await folder[Symbol.asyncDispose]();
      },
    };
  });

  Deno.test.afterAll(async () => {
    await (await made)?.server[Symbol.asyncDispose]();
  });
}
