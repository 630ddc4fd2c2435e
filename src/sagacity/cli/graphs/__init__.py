"""DAGs as pictures: as text, for Mermaid, for Graphviz, as SVG."""
