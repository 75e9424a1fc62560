// The explorer of the summary: one shift, four charts that Vega draws.
"use strict";
(() => {
  const source = document.querySelector("#explorer-data");
  if (!source || !globalThis.vegaEmbed) return;
  const { models, charts, styles } = JSON.parse(source.textContent);
  const [menu, slider, now, remedy, after] = ["model", "shift", "now", "remedy", "after"].map((id) =>
    document.querySelector(`#explorer-${id}`),
  );
  const views = new Map();
  let model, k;

  const own = (one) => one.deltas.indexOf(0);
  const closed = (one) => {
    const sizes = one.distances.map(Math.abs);
    return sizes.indexOf(Math.min(...sizes));
  };
  const share = (value) => (100 * value).toFixed(1);
  const signed = (text) => text.replace("-", "−");
  const fraction = (value) => (value < 1 ? `1/${Math.round(1 / value)}` : String(value));
  const ways = (one) => [
    ["ab", `${one.first} → ${one.second}`],
    ["ba", `${one.second} → ${one.first}`],
  ];
  const words = (task) => task.replaceAll("_", " ");
  const lowest = (values) => {
    const place = values.indexOf(Math.min(...values));
    return place > 0 && place < values.length - 1 ? place : null;
  };

  // The charts' data, as modality_gap/pages/explorer.py makes them for the still pictures.
  const rows = (one) => {
    // `place` counts the curves, in the order of their styles.
    const sides = [
      ["a", one.first],
      ["b", one.second],
    ];
    const curve = (values, more) =>
      values.map((value, k) => ({ k, distance: one.distances[k], ...more(value, k) }));
    return {
      points: sides.flatMap(([key, side], place) =>
        one.cloud[key].points.map(([along, across], number) => {
          return { side, sign: 2 * place - 1, place, along, across, item: one.names[key][number] };
        }),
      ),
      centres: sides.flatMap(([key, side], place) =>
        one.cloud[key].centres.map(([along, across], k) => ({ k, side, place, along, across })),
      ),
      own: [{ distance: one.distances[own(one)] }],
      loss: one.losses.flatMap(({ temperature, values }, place) => {
        const [least, at] = [Math.min(...values), lowest(values)];
        return curve(values, (value, k) => {
          return { place, temperature: fraction(temperature), above: value - least, lowest: k === at };
        });
      }),
      recall: ways(one).flatMap(([key, way], place) => {
        const { values, low, high } = one.recall[key];
        return curve(values, (value, k) => ({ place, way, value, low: low[k], high: high[k] }));
      }),
      score: one.scores.flatMap(({ task, values }, place) =>
        curve(values, (value) => ({ place, task: words(task), value })),
      ),
    };
  };

  const values = () => ({
    loss: model.losses.map((one) => {
      const value = one.values[k];
      const above = (value - Math.min(...one.values)).toFixed(2);
      return [fraction(one.temperature), `${value.toFixed(2)} (+${above})`];
    }),
    recall: ways(model).map(([key, way]) => {
      const { values, low, high } = model.recall[key];
      return [way, `${share(values[k])} % [${share(low[k])}, ${share(high[k])}]`];
    }),
    score: model.scores.map((one) => [
      `${words(one.task)}, n ${one.n.toLocaleString("en")}`,
      `${share(one.values[k])} %`,
    ]),
  });

  const swatch = ({ color, dashes }) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 26 8");
    svg.setAttribute("class", "swatch");
    svg.setAttribute("aria-hidden", "true");
    const line = document.createElementNS(svg.namespaceURI, "line");
    const dash = dashes === "1 0" ? "none" : dashes;
    const about = { x1: 0, x2: 26, y1: 4, y2: 4, stroke: color, "stroke-width": 3 };
    for (const [name, value] of Object.entries({ ...about, "stroke-dasharray": dash }))
      line.setAttribute(name, value);
    svg.append(line);
    return svg;
  };

  const tell = () => {
    for (const [name, lines] of Object.entries(values())) {
      document.querySelector(`#explorer-${name} .readout`).replaceChildren(
        ...lines.map(([label, value], place) => {
          const [item, bold] = [document.createElement("li"), document.createElement("b")];
          bold.textContent = value;
          item.append(swatch(styles[name][place % styles[name].length]), ` ${label} `, bold);
          return item;
        }),
      );
    }
    const [distance, gap] = [model.distances[k], model.distances[own(model)]];
    let where = distance < gap ? "narrower than the model's own gap" : "wider than the model's own gap";
    if (k === own(model)) where = "its own gap";
    else if (k === closed(model))
      where = Math.abs(distance) < 0.005 ? "the gap is closed" : "as close as a shift gets";
    else if (distance < 0) where = "the centres have passed each other";
    const shown = signed(distance.toFixed(2));
    slider.setAttribute("aria-valuetext", `${shown}, ${where}`);
    const [there, back] = values().recall.map(([way, value]) => `${way} ${value}`);
    now.textContent = `${model.label}, distance ${shown}: ${where}. Recall@1 ${there}; ${back}.`;
  };

  // What a remedy does, as modality_gap/pages/remedies.py says it.
  const points = (value) => signed(`${value < 0 ? "" : "+"}${share(value)}`);
  const said = (one) => {
    const [plain] = model.remedies;
    const parts = [];
    for (const [key, words] of [["gap", "gap"], ["loss", "loss at 1/100 in one batch of them"]])
      if (key in one && key in plain)
        parts.push(`${words} ${one[key].toFixed(2)}, without it ${plain[key].toFixed(2)}`);
    for (const [key, way] of ways(model)) {
      const change = one.change[key]?.map(points);
      const more = change ? ` (${change[0]} points [${change[1]}, ${change[2]}])` : "";
      parts.push(`recall@1 ${way} ${share(one[key])} %, without it ${share(plain[key])} %${more}`);
    }
    const [fit, scored] = [one.n_fit, one.n_scored].map((n) => n.toLocaleString("en"));
    return `${one.does} Fitted on ${fit} pairs, compared on ${scored} others: ${parts.join("; ")}.`;
  };
  const apply = () => {
    const one = model.remedies.find(({ method }) => method === remedy.value);
    after.textContent = one ? said(one) : "";
  };
  const offer = () => {
    const [chosen, others] = [remedy.value, model.remedies.slice(1)];
    const absent = model.able ? "not measured for this model" : "not for models near chance";
    remedy.replaceChildren(
      new Option(others.length ? "none" : absent, ""),
      ...others.map(({ label, method }) => new Option(label, method)),
    );
    remedy.disabled = !others.length;
    if (others.some(({ method }) => method === chosen)) remedy.value = chosen;
    apply();
  };

  const move = () => {
    tell();
    for (const view of views.values())
      view.signal("k", k).signal("delta", model.deltas[k]).runAsync();
  };

  // The slider goes to the right as the centres go apart, as in the charts.
  const place = () => {
    slider.max = model.deltas.length - 1;
    slider.value = slider.max - k;
  };

  const choose = (one, at) => {
    [model, k] = [one, at];
    menu.value = one.set;
    document.querySelector("#explorer-score").hidden = !one.scores.length;
    const sides = document.querySelectorAll("#explorer-points .readout span");
    sides.forEach((side, number) => {
      side.textContent = [one.first, one.second][number];
    });
    document.querySelector("#explorer-points .readout .quiet").textContent =
      `${one.cloud.a.points.length} of ${one.n.toLocaleString("en")} pairs drawn`;
    place();
    offer();
    const data = rows(one);
    for (const view of views.values()) {
      const state = view.getState({ data: () => true, signals: () => false }).data;
      for (const name of Object.keys(data)) if (name in state) view.data(name, data[name]);
    }
    fit();
    move();
  };

  const remember = () => {
    try {
      history.replaceState(null, "", `#explorer=${model.set},${model.deltas[k]}`);
    } catch {} // a page in a frame may be kept from its address
  };

  // What the address says: the model and the shift; else the first model without a shift.
  const asked = () => {
    const [, name, delta] = /^#explorer=([^,]+),(-?[\d.]+)$/.exec(decodeURIComponent(location.hash)) ?? [];
    const one = models.find(({ set }) => set === name);
    const at = one ? one.deltas.indexOf(Number(delta)) : -1;
    if (one) document.querySelector("#explorer").scrollIntoView();
    return [one ?? models[0], at >= 0 ? at : own(one ?? models[0])];
  };

  const fit = () => {
    for (const [name, view] of views) {
      const room = document.querySelector(`#explorer-${name} .chart`).clientWidth;
      if (name !== "points" && room) view.width(room).runAsync();
    }
  };

  const note = document.createElement("div");
  note.className = "item-note";
  note.hidden = true;
  document.body.append(note);
  const hover = (_, event, __, value) => {
    note.hidden = !value;
    if (!value) return;
    note.textContent = `${value.item} (${value.side})`;
    note.style.left = `${event.pageX + 12}px`;
    note.style.top = `${event.pageY + 12}px`;
  };

  const draw = async ([name, specification]) => {
    const container = document.createElement("div");
    container.setAttribute("aria-hidden", "true"); // the figure's text is beside it
    const { view } = await vegaEmbed(container, specification, {
      mode: "vega",
      ast: true, // the page's policy forbids code that is made of text
      actions: false,
      renderer: "svg",
      logLevel: 1, // errors; the charts begin without data
      tooltip: hover,
    });
    document.querySelector(`#explorer-${name} .chart`).replaceChildren(container);
    views.set(name, view);
  };
  slider.addEventListener("input", () => {
    k = slider.max - slider.value;
    move();
    remember();
  });
  const go = (one, at) => {
    choose(one, at);
    remember();
  };
  menu.addEventListener("change", () => {
    const one = models.find(({ set }) => set === menu.value);
    go(one, own(one));
  });
  remedy.addEventListener("change", apply);
  document.querySelector("#explorer-back").addEventListener("click", () => go(model, own(model)));
  document.querySelector("#explorer-close").addEventListener("click", () => go(model, closed(model)));
  addEventListener("resize", fit);
  addEventListener("hashchange", () => {
    if (location.hash.startsWith("#explorer=")) choose(...asked());
  });
  Promise.all(Object.entries(charts).map(draw)).then(() => choose(...asked()));
})();
