"""A small source file in each language: a parser with methods, functions, and a call of each kind."""

from __future__ import annotations

SAMPLES = {
    "src/shop/parser.py": '''\
"""Reads orders."""
import json
import os.path as places
from shop.clock import now as moment
from . import rules
from .deep.table import Table

LIMIT = 10


class Parser(Base):
    """Reads one order.

    Slowly.
    """

    def parse(self, text: str) -> dict:
        """Return the order."""
        def inner():
            return places.join("a", "b")
        self.check(text)
        table = Table()
        table.fill()
        return json.loads(text) or inner()

    def check(self, text):
        rules.check(moment())


@cached
def main(argv, *, quiet=False):
    Parser().parse(argv)
    Parser.check(None, "")


main([])
''',
    "web/src/parser.ts": """\
import fs from 'node:fs';
import * as rules from './rules';
import { now as moment, Zone } from '../clock/index.js';

// Reads one order.
// Slowly.
export class Parser {
  /** Return the order. */
  parse(text: string): Order {
    this.check(text);
    return JSON.parse(text);
  }
  private check = (text: string) => {
    rules.check(moment());
  };
}

export interface Order { id: number }
export type Price = number;
export enum Size { Small }

export const main = async (argv: string[]) => {
  const parser = new Parser();
  fs.readFileSync(argv[0]);
};
main([]);
""",
    "web/lib/old.js": """\
const path = require('path');
const { join } = require('./join.js');

function Reader() {}
Reader.read = function (name) { return path.resolve(name); };
class Box { open() { this.close(); } close() {} }
export function* numbers() { Reader(); }
""",
    "store/store.go": """\
package store

import (
	"fmt"
	sql "database/sql"
	"example.com/shop/clock"
)

// Store keeps orders.
type Store struct {
	db *sql.DB
}

type Reader interface{ Read() }

// Open opens it.
func Open(name string) (*Store, error) {
	fmt.Println(clock.Now())
	return check(name)
}

func check(name string) (*Store, error) { return nil, nil }

func (s *Store) Close() error {
	s.db.Close()
	return nil
}
""",
    "crates/shop-core/src/parser.rs": """\
use std::collections::HashMap;
use crate::clock::{self, now as moment, Zone};
use super::rules::*;

/// Reads orders.
#[derive(Debug)]
pub struct Parser<T> {
    pub kept: HashMap<String, T>,
}

pub trait Read { fn read(&self) -> u8; }

impl<T> Parser<T> {
    /// Returns the order.
    pub fn parse(&self, text: &str) -> u8 {
        self.check(text);
        moment();
        println!("{}", text);
        clock::now()
    }
    fn check(&self, text: &str) { Self::limit(); }
    fn limit() -> u8 { LIMIT }
}

const LIMIT: u8 = 10;

mod inner {
    pub fn deep() {}
}

fn main() { inner::deep(); }
""",
    "src/main/java/org/shop/Parser.java": """\
package org.shop;

import java.util.List;
import org.shop.time.Clock;

/** Reads orders. */
public class Parser extends Base implements Reader {
    /** Limit. */
    private final int limit = 10;

    public Parser(int limit) { check(""); }

    /**
     * Returns the order.
     */
    public Order parse(String text) {
        check(text);
        Clock.now();
        this.check(text);
        return new Order(text);
    }

    private void check(String text) { }

    enum Size { SMALL }
    interface Inner { void read(); }
}
""",
    "src/parser.c": """\
#include <stdio.h>
#include "rules.h"

#define LIMIT 10
#define TWICE(x) ((x) * 2)

struct order { int id; };
typedef struct order order_t;
enum size { SMALL };

int check(const char *text);

/* Reads an order. */
static order_t *parse(const char *text)
{
    check(text);
    printf("%s", text);
    return 0;
}

int check(const char *text) { return TWICE(1); }
""",
    "src/parser.hpp": """\
#include "rules.h"
namespace shop {

// Reads orders.
template <typename T>
class Parser : public Base {
public:
    Order parse(const std::string& text);
    int limit() const { return check(10); }
    int check(int n) { return n; }
};

int& counter() { static int n; return n; }
Order Parser::parse(const std::string& text) { rules::check(text); auto o = new Order(); return *o; }
}
using Text = std::string;
""",
}
