// Limits how many calls run at the same time; the others wait in order.

/**
 * @param {number} max calls at the same time
 * @returns {<Result>(act: () => Promise<Result>) => Promise<Result>} runs `act` when a place is free
 */
export function limitConcurrency(max) {
  const waiting = [];
  let running = 0;
  return async (act) => {
    if (running >= max) await new Promise((resolve) => waiting.push(resolve));
    else running += 1;
    try {
      return await act();
    } finally {
      const next = waiting.shift();
      if (next) next(); // takes over the place
      else running -= 1;
    }
  };
}
