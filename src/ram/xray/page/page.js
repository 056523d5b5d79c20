// Draws what the page's data describes (see page.h): heat-maps on canvas,
// plots with uPlot, long tables of which only the visible rows exist.
(() => {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);
  const tip = document.getElementById("tip");
  const said = document.getElementById("said");
  const charts = [];  // redraw functions, for the theme and the width

  const make = (tag, properties, ...children) => {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  };
  const color = (name) =>
    getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  // Making a formatter costs more than a hundred numbers do.
  const formatters = new Map();
  const localized = (value, least, most) => {
    const key = least + "," + most;
    if (!formatters.has(key)) {
      formatters.set(key, new Intl.NumberFormat("en", {
        minimumFractionDigits: least, maximumFractionDigits: most,
      }));
    }
    return formatters.get(key).format(value);
  };
  const format = (value, digits) => {
    if (value === null || value === undefined) return "–";
    if (typeof value !== "number") return String(value);
    if (digits !== undefined && Math.abs(value) < 1e7) {
      return localized(value, digits, digits);
    }
    if (value !== 0 && Math.abs(value) < 1e-4) return value.toExponential(2);
    return localized(Number(value.toPrecision(4)), 0, 7);
  };

  const showTip = (text, x, y) => {
    tip.textContent = text;
    tip.hidden = false;
    const box = tip.getBoundingClientRect();
    const left = x + 14 + box.width > innerWidth ? x - box.width - 14 : x + 14;
    const top = y + 14 + box.height > innerHeight ? y - box.height - 14 : y + 14;
    tip.style.left = Math.max(4, left) + "px";
    tip.style.top = Math.max(4, top) + "px";
  };
  const hideTip = () => { tip.hidden = true; };

  // Any chart as a table, made when it is opened.
  const tableOf = (headings, rows) => {
    const details = make("details", {},
      make("summary", { textContent: "As a table" }));
    details.addEventListener("toggle", () => {
      if (!details.open || details.childElementCount > 1) return;
      const head = make("tr");
      for (const text of headings) {
        head.append(make("th", { scope: "col", textContent: text }));
      }
      const body = make("tbody");
      for (const row of rows()) {
        const line = make("tr");
        row.forEach((text, i) => line.append(i === 0
          ? make("th", { scope: "row", textContent: text })
          : make("td", { className: "n", textContent: text })));
        body.append(line);
      }
      details.append(make("div", { className: "wide" },
        make("table", {}, make("thead", {}, head), body)));
    });
    return details;
  };

  // --- heat-maps -------------------------------------------------------------

  const ramp = () => ["--r0", "--r1", "--r2", "--r3", "--r4"].map((name) => {
    const hex = color(name);
    return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  });
  const mix = (stops, share) => {
    const at = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
    const low = Math.min(Math.floor(at), stops.length - 2);
    const t = at - low;
    return "rgb(" + stops[low].map((value, i) =>
      Math.round(value + t * (stops[low + 1][i] - value))).join(",") + ")";
  };

  const rangeOf = (metric) => {
    const known = metric.values.filter((value) => value !== null);
    let sorted = known.slice().sort((a, b) => a - b);
    if (metric.log) sorted = sorted.filter((value) => value > 0);
    if (sorted.length === 0) return null;
    return [sorted[0], sorted[sorted.length - 1]];
  };
  const shareOf = (metric, range, value) => {
    const [low, high] = range;
    if (high === low) return 0.5;
    if (!metric.log) return (value - low) / (high - low);
    return value > 0
      ? Math.log(value / low) / Math.log(high / low) : 0;
  };

  const drawHeatmap = (figure, chart) => {
    let metric = chart.metrics[0];
    let cursor = null;
    const canvas = make("canvas", { tabIndex: 0 });
    canvas.setAttribute("role", "img");
    const controls = make("div", { className: "controls" });
    if (chart.metrics.length > 1) {
      const select = make("select");
      select.setAttribute("aria-label", "Metric");
      chart.metrics.forEach((each, i) =>
        select.append(make("option", { value: i, textContent: each.name })));
      select.addEventListener("change", () => {
        metric = chart.metrics[select.value];
        draw();
      });
      controls.append(select);
    }
    const lowest = make("span"), highest = make("span");
    controls.append(make("span", { className: "ramp" }, lowest, make("i"),
      highest));
    figure.append(controls, canvas);
    figure.append(tableOf(
      [chart.row + " \\ " + chart.col, ...chart.cols],
      () => chart.rows.map((row, r) => [row, ...chart.cols.map((_, c) =>
        format(metric.values[r * chart.cols.length + c], metric.digits))])));

    const rows = chart.rows.length, cols = chart.cols.length;
    let left = 0, top = 0, cellWidth = 0, cellHeight = 0;
    const draw = () => {
      const range = rangeOf(metric);
      const unit = metric.unit ? " " + metric.unit : "";
      lowest.textContent = range ? format(range[0], metric.digits) + unit : "";
      highest.textContent = range ? format(range[1], metric.digits) + unit : "";
      canvas.setAttribute("aria-label", metric.name + " by " + chart.row +
        " and " + chart.col + ". Arrow keys move between cells; a table " +
        "follows.");
      const context = canvas.getContext("2d");
      const font = "12px system-ui, sans-serif";
      context.font = font;
      const widthOf = (text) => context.measureText(text).width;
      left = 12 + Math.max(...chart.rows.map(widthOf));
      const width = Math.max(200, figure.clientWidth - 32);
      cellWidth = Math.max(2, Math.min(104, (width - left) / cols));
      cellHeight = Math.max(6, Math.min(26, 520 / rows));
      const numbers = chart.cols.every((text) => /^\d+$/.test(text));
      const slanted = !numbers &&
        chart.cols.some((text) => widthOf(text) > cellWidth - 4);
      const every = cellWidth < 14 ? Math.ceil(28 / cellWidth) : 1;
      top = slanted ? 14 + 0.72 * Math.max(...chart.cols.map(widthOf)) : 20;
      // Slanted labels reach beyond the last column.
      const beyond = slanted ? 8 + Math.max(0, ...chart.cols.map((text, c) =>
        0.72 * widthOf(text) - (cols - c - 0.5) * cellWidth)) : 0;
      cellWidth = Math.max(2, Math.min(cellWidth,
        (width - left - beyond) / cols));
      const scale = devicePixelRatio || 1;
      const full = Math.min(width, left + cellWidth * cols + beyond);
      const height = top + cellHeight * rows + 2;
      canvas.width = Math.round(full * scale);
      canvas.height = Math.round(height * scale);
      canvas.style.width = full + "px";
      canvas.style.height = height + "px";
      context.setTransform(scale, 0, 0, scale, 0, 0);
      context.font = font;
      context.fillStyle = color("--soft");
      context.textBaseline = "middle";
      context.textAlign = "right";
      const everyRow = cellHeight < 12 ? Math.ceil(14 / cellHeight) : 1;
      chart.rows.forEach((text, r) => {
        if (r % everyRow) return;
        context.fillText(text, left - 6, top + (r + 0.5) * cellHeight);
      });
      chart.cols.forEach((text, c) => {
        if (numbers && c % every) return;
        context.save();
        context.translate(left + (c + 0.5) * cellWidth, top - 6);
        if (slanted) {
          context.rotate(-Math.PI / 4);
          context.textAlign = "left";
        } else {
          context.textAlign = "center";
          context.textBaseline = "alphabetic";
        }
        context.fillText(text, 0, 0);
        context.restore();
      });
      const stops = ramp();
      const none = color("--none");
      const written = cellHeight >= 18 && cellWidth >= 46;
      context.textAlign = "center";
      context.textBaseline = "middle";
      const gap = cellWidth > 8 && cellHeight > 8 ? 1 : 0;
      for (let r = 0; r < rows; ++r) {
        for (let c = 0; c < cols; ++c) {
          const value = metric.values[r * cols + c];
          context.fillStyle = value === null || !range
            ? none : mix(stops, shareOf(metric, range, value));
          context.fillRect(left + c * cellWidth, top + r * cellHeight,
            cellWidth - gap, cellHeight - gap);
          if (!written || value === null) continue;
          // Dark on light cells, light on dark ones.
          const parts = context.fillStyle.match(/[0-9a-f]{2}/g)
            .map((part) => parseInt(part, 16));
          context.fillStyle =
            0.3 * parts[0] + 0.6 * parts[1] + 0.1 * parts[2] > 140
              ? "#12222b" : "#f2f7f6";
          context.fillText(format(value, metric.digits),
            left + (c + 0.5) * cellWidth, top + (r + 0.5) * cellHeight);
        }
      }
      if (!cursor) return;
      context.strokeStyle = color("--ink");
      context.lineWidth = 2;
      context.strokeRect(left + cursor[1] * cellWidth,
        top + cursor[0] * cellHeight, cellWidth - gap, cellHeight - gap);
    };
    const textAt = (r, c) => chart.row + " " + chart.rows[r] + ", " +
      chart.col + " " + chart.cols[c] + "\n" + metric.name + ": " +
      format(metric.values[r * cols + c], metric.digits) +
      (metric.unit ? " " + metric.unit : "");
    canvas.addEventListener("pointermove", (event) => {
      const box = canvas.getBoundingClientRect();
      const c = Math.floor((event.clientX - box.left - left) / cellWidth);
      const r = Math.floor((event.clientY - box.top - top) / cellHeight);
      if (r < 0 || c < 0 || r >= rows || c >= cols) return hideTip();
      showTip(textAt(r, c), event.clientX, event.clientY);
    });
    canvas.addEventListener("pointerleave", hideTip);
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0],
        ArrowDown: [1, 0] }[event.key];
      if (event.key === "Escape") {
        cursor = null;
        hideTip();
        return draw();
      }
      if (!step) return;
      event.preventDefault();
      cursor = cursor
        ? [Math.min(rows - 1, Math.max(0, cursor[0] + step[0])),
          Math.min(cols - 1, Math.max(0, cursor[1] + step[1]))] : [0, 0];
      draw();
      const box = canvas.getBoundingClientRect();
      const text = textAt(...cursor);
      showTip(text, box.left + left + (cursor[1] + 0.5) * cellWidth,
        box.top + top + (cursor[0] + 0.5) * cellHeight);
      said.textContent = text;
    });
    canvas.addEventListener("blur", hideTip);
    return draw;
  };

  // --- plots -----------------------------------------------------------------

  const drawPlot = (figure, chart) => {
    const place = make("div");
    place.setAttribute("role", "img");
    place.setAttribute("aria-label", chart.y + " by " + chart.x + ": " +
      chart.series.map((each) => each.name).join(", ") +
      ". A table follows.");
    figure.append(place);
    const joined = uPlot.join(chart.series.map((each) => [each.x, each.y]));
    figure.append(tableOf(
      [chart.x, ...chart.series.map((each) => each.name)],
      () => joined[0].map((x, i) => [format(x), ...chart.series.map((_, s) =>
        format(joined[s + 1][i], chart.digits))])));
    let plot = null;
    const axis = (label, side) => ({
      label, side, labelSize: 24, size: side === 3 ? 64 : 40, labelGap: 2,
      font: "12px system-ui, sans-serif",
      labelFont: "12px system-ui, sans-serif", stroke: color("--soft"),
      grid: { stroke: color("--line"), width: 1 },
      ticks: { stroke: color("--line"), width: 1, size: 4 },
      values: (_, ticks) => ticks.map((tick) =>
        tick === null ? "" : format(tick)),
    });
    return () => {
      if (plot) plot.destroy();
      plot = new uPlot({
        width: Math.max(240, figure.clientWidth - 32), height: 320,
        cursor: { points: { size: 7 } },
        scales: {
          x: { time: false, distr: chart.logx ? 3 : 1 },
          y: { distr: chart.logy ? 3 : 1 },
        },
        axes: [axis(chart.x, 2), axis(chart.y, 3)],
        series: [
          { label: chart.x, value: (_, value) => format(value) },
          ...chart.series.map((each, i) => ({
            label: each.name, stroke: color("--s" + i % 8), width: 2,
            paths: each.points ? () => null : undefined,
            points: { show: each.points || each.x.length < 40, size: 6,
              fill: color("--s" + i % 8) },
            spanGaps: true,
            value: (_, value) => format(value, chart.digits),
          })),
        ],
        hooks: {
          setCursor: [(self) => {
            const { idx, left, top } = self.cursor;
            if (idx === null || idx === undefined || left < 0) {
              return hideTip();
            }
            const lines = chart.series.flatMap((each, s) => {
              const value = self.data[s + 1][idx];
              return value === null || value === undefined
                ? [] : [each.name + ": " + format(value, chart.digits)];
            });
            if (lines.length === 0) return hideTip();
            const box = self.over.getBoundingClientRect();
            showTip(chart.x + " " + format(self.data[0][idx]) + "\n" +
              lines.join("\n"), box.left + left, box.top + top);
          }],
        },
      }, joined, place);
      plot.over.addEventListener("pointerleave", hideTip);
    };
  };

  // --- long tables -----------------------------------------------------------

  const kRowHeight = 28;

  const columnValues = (table, column) => {
    if (!column.names) return column.values;
    const { patterns, pattern, layer, expert } = table.names;
    return pattern.map((index, i) => patterns[index]
      .replace("{l}", layer[i]).replace("{e}", expert[i]));
  };

  // The widest cell of a column in characters. Only rows in view exist: without
  // it, columns would change their widths while one scrolls.
  const widest = (column) => {
    const known = column.values.filter((value) => value !== null);
    if (column.text) {
      return known.reduce((most, value) => Math.max(most, value.length), 1);
    }
    const ends = [known.reduce((a, b) => Math.min(a, b), 0),
      known.reduce((a, b) => Math.max(a, b), 0)];
    const lengths = ends.map((value) => format(value, column.digits).length);
    return Math.max(...lengths, column.digits === undefined ? 9 : 1);
  };

  const drawTable = (figure, table) => {
    const columns = table.columns.map((column) => ({
      name: column.name, digits: column.digits,
      values: columnValues(table, column),
    }));
    for (const column of columns) {
      column.text = column.values.some((value) => typeof value === "string");
    }
    const count = columns[0].values.length;
    let order = Array.from({ length: count }, (_, i) => i);
    let sorted = table.sort ?? -1, down = table.down ?? false, wanted = "";
    const filter = make("input", { type: "search", placeholder: "Filter" });
    filter.setAttribute("aria-label", "Show only rows that contain this text");
    const shown = make("span");
    figure.append(make("div", { className: "controls" }, filter, shown));

    const head = make("tr");
    const body = make("tbody");
    const element = make("table", {}, make("thead", {}, head), body);
    const scroll = make("div", { className: "scroll", tabIndex: 0 }, element);
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-label",
      figure.querySelector("figcaption").textContent);
    const buttons = columns.map((column, i) => {
      const button = make("button", { type: "button" });
      button.style.minWidth =
        "min(30rem, calc(" + widest(column) + "ch + 1.4rem))";
      button.addEventListener("click", () => {
        down = sorted === i ? !down : !column.text;
        sorted = i;
        arrange();
      });
      head.append(make("th", { scope: "col",
        className: column.text ? "" : "n" }, button));
      return button;
    });
    figure.append(scroll);
    if (count * kRowHeight < 440) scroll.style.height = "auto";
    if (count * kRowHeight < 440) scroll.style.contain = "none";

    let first = -1, last = -1;
    const pad = (height) => {
      const cell = make("td", { colSpan: columns.length });
      cell.style.height = height + "px";
      const row = make("tr", { className: "pad" }, cell);
      row.setAttribute("aria-hidden", "true");
      return row;
    };
    const render = (force) => {
      const height = scroll.clientHeight || 480;
      const from = Math.max(0, Math.floor(scroll.scrollTop / kRowHeight) - 10);
      const to = Math.min(order.length,
        Math.ceil((scroll.scrollTop + height) / kRowHeight) + 10);
      if (!force && from === first && to === last) return;
      first = from;
      last = to;
      const rows = [];
      if (from > 0) rows.push(pad(from * kRowHeight));
      for (let i = from; i < to; ++i) {
        const row = make("tr");
        row.setAttribute("aria-rowindex", i + 2);
        for (const column of columns) {
          const value = column.values[order[i]];
          const cell = make("td", { className: column.text ? "text" : "n",
            textContent: format(value, column.digits) });
          if (column.text && value !== null) cell.title = value;
          row.append(cell);
        }
        rows.push(row);
      }
      if (to < order.length) rows.push(pad((order.length - to) * kRowHeight));
      body.replaceChildren(...rows);
    };
    const arrange = () => {
      const needle = wanted.toLowerCase();
      order = [];
      for (let i = 0; i < count; ++i) {
        if (needle === "" || columns.some((column) => column.text &&
            String(column.values[i]).toLowerCase().includes(needle))) {
          order.push(i);
        }
      }
      if (sorted >= 0) {
        const { values } = columns[sorted];
        const sign = down ? -1 : 1;
        order.sort((a, b) => {  // what is not known comes last
          if (values[a] === values[b]) return a - b;
          if (values[a] === null) return 1;
          if (values[b] === null) return -1;
          return values[a] < values[b] ? -sign : sign;
        });
      }
      buttons.forEach((button, i) => {
        const here = i === sorted;
        button.textContent = columns[i].name +
          (here ? (down ? " ↓" : " ↑") : "");
        button.parentElement.setAttribute("aria-sort",
          here ? (down ? "descending" : "ascending") : "none");
      });
      element.setAttribute("aria-rowcount", order.length + 1);
      shown.textContent = order.length.toLocaleString("en") + " of " +
        count.toLocaleString("en") + " rows";
      scroll.scrollTop = 0;
      render(true);
    };
    let waiting = false;
    scroll.addEventListener("scroll", () => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => {
        waiting = false;
        render(false);
      });
    }, { passive: true });
    filter.addEventListener("input", () => {
      wanted = filter.value;
      arrange();
    });
    arrange();
  };

  // --- the page --------------------------------------------------------------

  const draw = (figure) => {
    if (figure.dataset.drawn) return;
    figure.dataset.drawn = "yes";
    if (figure.dataset.table) {
      drawTable(figure, data.tables[figure.dataset.table]);
      return;
    }
    const chart = data.charts[figure.dataset.chart];
    const redraw = (chart.kind === "heatmap" ? drawHeatmap : drawPlot)(
      figure, chart);
    redraw();
    charts.push(redraw);
  };
  const figures = [...document.querySelectorAll("[data-chart], [data-table]")];
  // Charts are drawn as they come near, so that long pages open at once.
  const near = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      near.unobserve(entry.target);
      draw(entry.target);
    }
  }, { rootMargin: "800px" });
  figures.forEach((figure) => near.observe(figure));
  addEventListener("beforeprint", () => figures.forEach(draw));
  // What is drawn above a target after the jump would push it away.
  const drawBefore = (hash) => {
    const target = document.getElementById(hash.slice(1));
    if (!target) return null;
    figures.filter((figure) => target.compareDocumentPosition(figure) &
      Node.DOCUMENT_POSITION_PRECEDING).forEach(draw);
    return target;
  };
  addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#']");
    if (link) drawBefore(link.hash);
  });
  drawBefore(location.hash)?.scrollIntoView();

  const redrawAll = () => {
    hideTip();
    charts.forEach((redraw) => redraw());
  };
  let width = innerWidth, resizing = 0;
  addEventListener("resize", () => {
    if (innerWidth === width) return;
    width = innerWidth;
    clearTimeout(resizing);
    resizing = setTimeout(redrawAll, 120);
  });

  const theme = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (document.documentElement.dataset.theme ??
    (system.matches ? "dark" : "light")) === "dark";
  const label = () => { theme.textContent = isDark() ? "Light" : "Dark"; };
  theme.addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    label();
    redrawAll();
  });
  system.addEventListener("change", () => {
    label();
    redrawAll();
  });
  label();
  document.getElementById("print").addEventListener("click", () => print());
  addEventListener("scroll", hideTip, { passive: true });
})();
