// One menu of actions at a time, below the button that opened it.
import { h } from "../base/dom.js";

/** Open a menu; `items` are `{ name, text, action }`, those that are false are left out. */
export function openMenu(button, items) {
  document.querySelector(".menu")?.hidePopover();
  const menu = h(
    "div",
    { class: "menu", role: "menu", popover: "auto" },
    items.filter(Boolean).map(({ name, text, danger, action }) =>
      h(
        "button",
        {
          type: "button",
          role: "menuitem",
          tabindex: "-1",
          class: danger ? "danger" : null,
          "data-action": name,
          onclick: () => choose(action),
        },
        text,
      ),
    ),
  );
  const choose = (action) => {
    button.focus();
    menu.hidePopover();
    action();
  };
  menu.addEventListener("toggle", (event) => event.newState === "closed" && menu.remove());
  menu.addEventListener("keydown", (event) => {
    const all = [...menu.children];
    const at = all.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }[event.key];
    if (event.key === "Tab") menu.hidePopover();
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    all.at(to % all.length).focus();
  });
  button.after(menu);
  menu.showPopover();
  const place = button.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = menu;
  menu.style.left = `${Math.max(8, place.right - width)}px`;
  menu.style.top = `${place.bottom + height + 8 > innerHeight ? place.top - height - 4 : place.bottom + 4}px`;
  menu.firstChild?.focus();
}
