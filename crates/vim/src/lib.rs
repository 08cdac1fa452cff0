//! THE EDITOR: a pure vim core over a text buffer; no terminal, no chat.
