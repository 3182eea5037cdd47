import { createClient } from "./client.js";

let refreshToken = null;
const storage = {
  get: async () => refreshToken,
  set: async (value) => {
    refreshToken = value;
  },
  remove: async () => {
    refreshToken = null;
  },
};
const client = createClient({ url: "http://localhost:5000", storage });

await client.logIn("joe", "pass", "Kitchen tablet");
const response = await client.request("/me");
console.log(await response.json());
console.log(await client.logOut());
