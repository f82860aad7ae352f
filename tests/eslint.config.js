// Few rules: what is wrong or unused, no == and no let for what stays. Run by `make check`.
import js from "@eslint/js";
import globals from "globals";

export default [
  { ignores: ["**/katex/", "**/node_modules/"] },
  js.configs.recommended,
  { linterOptions: { reportUnusedDisableDirectives: "error" }, rules: { eqeqeq: "error", "prefer-const": "error" } },
  { files: ["docs/**", "coursework/**"], languageOptions: { globals: globals.browser } },
  { files: ["coursework/**"], languageOptions: { sourceType: "script", globals: { renderMathInElement: "readonly" } } },
  { files: ["docs/assets/javascripts/{keyboard,math}.js"], languageOptions: { sourceType: "script" } },
  { files: ["docs/assets/javascripts/search.js"], languageOptions: { globals: globals.worker } },
  { files: ["tests/**"], languageOptions: { globals: globals.node } },
];
