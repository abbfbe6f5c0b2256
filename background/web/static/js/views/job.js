export const show = () => ({});
