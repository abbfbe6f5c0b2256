// A list of the API as a whole. Pure.

/**
 * Every record, page after page, until there are no more, or `most`: gives `{ found, more }`. `told(count)` hears how many
 * there are and says whether to stop; `page(before)` gives `{ data, next }`.
 */
export async function allPages(told, page, most) {
  const found = [];
  let before = null;
  do {
    const { data, next } = await page(before);
    found.push(...data);
    before = data.length ? next : null;
  } while (!told(Math.min(found.length, most)) && before !== null && found.length < most);
  return { found: found.slice(0, most), more: before !== null || found.length > most };
}
