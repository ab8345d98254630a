// A door that few go through at once: whoever comes when it is taken waits, first come, first served.

/**
 * @param {number} most at once
 * @returns {<Result>(act: () => Promise<Result>) => Promise<Result>} runs `act` when there is room
 */
export function door(most) {
  const waiting = [];
  let inside = 0;
  return async (act) => {
    if (inside >= most) await new Promise((resolve) => waiting.push(resolve));
    else inside += 1;
    try {
      return await act();
    } finally {
      const next = waiting.shift();
      if (next) next(); // takes over the room
      else inside -= 1;
    }
  };
}
