import { createClient } from "./client.js";
import { storage } from "./storage.js";

export function createAppClient(showLogin) {
  return createClient({ url: "https://api.example.com", storage, onLoggedOut: showLogin });
}

// The options of request are those of fetch: JSON is a string, and needs its Content-Type.
export function renameDevice(client, sid, label) {
  return client.request(`/auth/sessions/${sid}`, {
    method: "PATCH",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ label }),
  });
}
