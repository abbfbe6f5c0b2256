/** The oldest browsers that the page is made for. */
export const TARGET = ["chrome120", "firefox121", "safari17.4"];
