"""The lessons: labNN.ko.md and labNN.en.md, Markdown files that travel with the package."""
