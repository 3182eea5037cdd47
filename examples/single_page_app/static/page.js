import { logIn, logOut, send } from "./api.js";

const find = (selector) => document.querySelector(selector);

function show(element, message = "") {
  find("#login").hidden = element !== "#login";
  find("main").hidden = element !== "main";
  find("[role=alert]").textContent = message;
  if (element === "main") return;
  find("h1").textContent = ""; // the next user may be another one
  find("ul").replaceChildren();
  find("#add").reset();
}

function showNotes(notes) {
  find("ul").replaceChildren(
    ...notes.map((note) => Object.assign(document.createElement("li"), { textContent: note })),
  );
  show("main");
}

// Do something for the user. If nobody is logged in any more, show the login form.
async function attempt(action) {
  try {
    await action();
  } catch (error) {
    const isShown = !find("main").hidden;
    if (error.code === "token_missing" && !isShown) show("#login"); // the first visit
    else if (error.status === 401) show("#login", error.message);
    else find("[role=alert]").textContent = error.message;
  }
}

async function load() {
  const { user, notes } = await send("GET", "/notes");
  find("h1").textContent = `Notes of ${user}`;
  showNotes(notes);
}

// Empty the form when the action has succeeded, so that no password stays in it.
function onSubmit(selector, action) {
  find(selector).addEventListener("submit", (event) => {
    event.preventDefault();
    const form = event.target;
    attempt(async () => {
      await action(Object.fromEntries(new FormData(form)));
      form.reset();
    });
  });
}

onSubmit("#login", async ({ username, password }) => {
  await logIn(username, password);
  await load();
});
onSubmit("#add", async ({ note }) => showNotes((await send("POST", "/notes", note)).notes));
find("#logout").addEventListener("click", () =>
  attempt(async () => {
    await logOut();
    show("#login");
  }),
);
attempt(load);
