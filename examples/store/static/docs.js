// Put Swagger UI in the place of the table that /docs shows without scripts.

const target = document.getElementById("swagger-ui");
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);

// Swagger UI's own layout has a title and a main part, which the page has already.
const parts = ["SvgAssets", "errors", "AuthorizeBtnContainer", "operations", "Models"];
const layout = ({ React }) => ({
  components: {
    PartsLayout: ({ getComponent, specSelectors }) =>
      React.createElement("div", { className: "swagger-ui" },
        specSelectors.specJson().size > 0 &&
        parts.map((name) => React.createElement(getComponent(name, true), { key: name }))),
  },
});

dark.addEventListener("change", follow);
follow();
SwaggerUIBundle({ url: target.dataset.url, domNode: target, layout: "PartsLayout", plugins: [layout] });
