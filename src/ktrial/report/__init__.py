"""Views of a run while it goes on and after it has ended: terminal, report.json, junit.xml, the course's pages."""
