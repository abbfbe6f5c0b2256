// What is not needed for the first look comes in one file after the start; sections.js says from where.

/** @type {{ load: () => Promise<any> }} */
export const later = { load: async () => ({}) };
