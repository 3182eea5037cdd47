// Where the API is: "" if it also serves this page, or else such as "https://api.example.com".
const API = document.documentElement.dataset.api ?? "";

let csrfToken = null;

function getCsrfToken() {
  const cookie = document.cookie.match(/(?:^|; )csrf_access_token=([^;]*)/);
  return cookie ? decodeURIComponent(cookie[1]) : csrfToken;
}

// Send a request, and return the JSON of its response. Cookies that have expired are renewed by
// the server, in this same request.
export async function send(method, path, body) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const proof = method === "GET" ? null : getCsrfToken();
  if (proof) headers["X-CSRF-TOKEN"] = proof;
  const response = await fetch(API + path, {
    method,
    headers,
    credentials: "include",
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  const isJson = response.headers.get("Content-Type")?.startsWith("application/json");
  const result = isJson ? JSON.parse(text) : null;
  if (response.ok) return result;
  const error = new Error(result?.description ?? `The server responded ${response.status}`);
  throw Object.assign(error, { status: response.status, code: result?.code });
}

export async function logIn(username, password) {
  const result = await send("POST", "/auth", { username, password });
  csrfToken = result?.csrf_token ?? null; // another origin can't read the cookie
}

export async function logOut() {
  await send("POST", "/auth/logout");
  csrfToken = null;
}
