// Draws who and what is mentioned together. The table below the graph has the same.
"use strict";

(() => {
  const SHAPES = { person: "ellipse", place: "triangle", organisation: "rectangle", thing: "diamond" };
  const COLOURS = { person: "--accent", place: "--good", organisation: "--second", thing: "--warn" };
  const GOLDEN_ANGLE = 2.399963;
  const SPACING = 60;
  const PADDING = 24;
  const ZOOM_AT_FIRST = 1.2;

  const style = () => {
    const colour = window.keepstone.colour;
    const size = "mapData(size, 0, 8, 14, 46)";
    const kinds = Object.keys(SHAPES).map((kind) => ({
      selector: `node[kind = "${kind}"]`,
      style: { shape: SHAPES[kind], "background-color": colour(COLOURS[kind]) },
    }));
    return [
      {
        selector: "node",
        style: {
          label: "data(label)",
          width: size,
          height: size,
          color: colour("--text"),
          "font-size": 11,
          "font-family": "system-ui, sans-serif",
          "text-valign": "bottom",
          "text-margin-y": 3,
          "text-outline-color": colour("--card"),
          "text-outline-width": 2,
          "min-zoomed-font-size": 7,
        },
      },
      ...kinds,
      {
        selector: "edge",
        style: { width: "mapData(size, 0, 6, 1, 7)", "line-color": colour("--soft"), opacity: 0.5, "curve-style": "haystack" },
      },
      { selector: ".far", style: { opacity: 0.15 } },
      { selector: "node.chosen", style: { "border-width": 3, "border-color": colour("--text") } },
    ];
  };

  // Twice as many memories are one step more.
  const steps = (memories) => Math.log2(memories);

  // On a spiral, those mentioned most in the middle: the layout begins the same way each time.
  const place = (index) => {
    const radius = SPACING * Math.sqrt(index);
    return { x: radius * Math.cos(index * GOLDEN_ANGLE), y: radius * Math.sin(index * GOLDEN_ANGLE) };
  };

  const elements = ([nodes, ties]) => [
    ...nodes.map(([id, label, kind, memories], index) => ({
      data: { id, label, kind, size: steps(memories) },
      position: place(index),
    })),
    ...ties.map(([one, other, memories]) => ({
      data: { source: nodes[one][0], target: nodes[other][0], size: steps(memories) },
    })),
  ];

  const open = (id) => {
    location.assign(`/ui/entities/${encodeURIComponent(id)}${location.search}`);
  };

  const draw = (box) => {
    const graph = window.cytoscape({
      container: box,
      elements: elements(JSON.parse(box.dataset.graph)),
      style: style(),
      layout: {
        name: "cose",
        animate: false,
        randomize: false,
        numIter: 400,
        nodeDimensionsIncludeLabels: true,
        nodeRepulsion: () => 20000,
        fit: false,
      },
      minZoom: 0.2,
      maxZoom: 3,
      // The wheel is for scrolling the page; buttons zoom.
      userZoomingEnabled: false,
      boxSelectionEnabled: false,
    });
    graph.on("tap", "node", ({ target }) => {
      if (target.hasClass("chosen")) return open(target.id());
      graph.elements().removeClass("chosen").addClass("far");
      target.closedNeighborhood().removeClass("far");
      return target.addClass("chosen");
    });
    graph.on("tap", (event) => {
      if (event.target === graph) graph.elements().removeClass("far chosen");
    });
    return graph;
  };

  const fit = (graph) => {
    graph.fit(undefined, PADDING);
    // A few names need not fill the box.
    if (graph.zoom() > ZOOM_AT_FIRST) graph.zoom(ZOOM_AT_FIRST).center();
  };

  const zoom = (graph, factor) => {
    if (!factor) return fit(graph);
    return graph.zoom({ level: graph.zoom() * factor, renderedPosition: { x: graph.width() / 2, y: graph.height() / 2 } });
  };

  document.addEventListener("DOMContentLoaded", () => {
    const box = document.querySelector(".graph[data-graph]");
    if (!box) return;
    document.getElementById("graph-card").hidden = false;
    const graph = draw(box);
    fit(graph);
    document.querySelectorAll("[data-zoom]").forEach((button) => {
      button.addEventListener("click", () => zoom(graph, Number(button.dataset.zoom)));
    });
    box.dataset.drawn = String(graph.nodes().length);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => graph.style(style()));
    new ResizeObserver(() => graph.resize()).observe(box);
  });
})();
