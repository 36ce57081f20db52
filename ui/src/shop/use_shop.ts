import { useCallback, useMemo, useRef, useState } from 'react';
import { CallError, post } from '../lib/http.ts';
import { uuid } from '../lib/uuid.ts';
import { knownItem } from './catalogue.ts';
import { addedToCart, byCurrency, type Message, ordered, removedFromCart, type Scene } from './messages.ts';
import { cartOf, keepCart, newVisitor, recentPeople, use } from './people.ts';
import { type Context, useRecommendations } from './recommendations.ts';
import { addStep, mendStep, type Step } from './steps.ts';
import { type CartLine, type Item, nameOf, type Person, type Placement } from './types.ts';

/** Where in the shop a person stands. */
export interface Place {
  path: string;
  title: string;
  placement: Placement;
  /** The items that the page is about. */
  items: string[];
}

/** The person who is back, or a new one; remembered from now on. */
function firstPerson(): Person {
  const person = recentPeople()[0] ?? newVisitor();
  use(person);
  return person;
}

/**
 * The shop's state and what can be done in it. Everything a person does is sent to the collector; as
 * soon as it is safe there, the recommendations are asked for again.
 */
export function useShop() {
  const [person, setPerson] = useState(firstPerson);
  const [cart, setCart] = useState<CartLine[]>(() => cartOf(person));
  const [steps, setSteps] = useState<Step[]>([]);
  const { refresh, ...suggestions } = useRecommendations();
  const place = useRef<Place>({ path: '/shop', title: 'Example shop', placement: 'home', items: [] });
  /** The recommendation that was clicked, until the page it leads to is shown. */
  const cameFrom = useRef<string>(undefined);

  const context = useCallback(
    (who: Person): Context => ({ person: who, placement: place.current.placement, items: place.current.items }),
    [],
  );

  const scene = useCallback((who: Person): Scene => {
    const { path, title } = place.current;
    return { person: who, path, title, ...(cameFrom.current ? { recommendationId: cameFrom.current } : {}) };
  }, []);

  /** Send what was done, then look at what is recommended now. */
  const tell = useCallback(
    async (who: Person, text: string, batch: Message[]) => {
      const key = uuid();
      setSteps((old) => addStep(old, { key, text }));
      try {
        const { tookMs } = await post('/v1/batch', { batch, sentAt: new Date().toISOString() });
        setSteps((old) => mendStep(old, key, { durableMs: tookMs }));
      } catch (error) {
        const failed = error instanceof CallError ? error.message : 'It could not be sent.';
        setSteps((old) => mendStep(old, key, { failed }));
      }
      const after = await refresh(context(who));
      if (after?.tookMs !== undefined)
        setSteps((old) => mendStep(old, key, { answer: { tookMs: after.tookMs!, changed: after.changed.size } }));
    },
    [context, refresh],
  );

  /** Come to a page: `messages` says what was seen there. */
  const arrive = useCallback(
    (there: Place, text: string, messages: (scene: Scene) => Message[]) => {
      place.current = there;
      void tell(person, text, messages(scene(person)));
      cameFrom.current = undefined;
    },
    [person, scene, tell],
  );

  const changeCart = useCallback((who: Person, next: CartLine[]) => (setCart(next), keepCart(who, next)), []);

  const add = useCallback(
    (item: Item) => {
      const line = cart.find((l) => l.id === item.id);
      const next = line
        ? cart.map((l) => (l === line ? { ...l, quantity: l.quantity + 1 } : l))
        : [...cart, { id: item.id, quantity: 1 }];
      changeCart(person, next);
      void tell(person, `Put ${nameOf(item)} into the cart`, [addedToCart(scene(person), item)]);
    },
    [cart, changeCart, person, scene, tell],
  );

  const remove = useCallback(
    (item: Item) => {
      const line = cart.find((l) => l.id === item.id);
      changeCart(
        person,
        cart.filter((l) => l.id !== item.id),
      );
      void tell(person, `Took ${nameOf(item)} out of the cart`, [
        removedFromCart(scene(person), item, line?.quantity ?? 1),
      ]);
    },
    [cart, changeCart, person, scene, tell],
  );

  /** Buy `lines`: one order for each currency, since currencies are never added. */
  const buy = useCallback(
    (lines: CartLine[]) => {
      const orders = [...byCurrency(lines, knownItem)].map(([currency, part]) =>
        ordered(scene(person), `shop-${uuid().slice(0, 8)}`, currency, part),
      );
      const first = knownItem(lines[0]!.id);
      const what = lines.length === 1 && first ? nameOf(first) : `${lines.length} things`;
      changeCart(
        person,
        cart.filter((line) => !lines.some((bought) => bought.id === line.id)),
      );
      return tell(person, `Bought ${what}`, orders);
    },
    [cart, changeCart, person, scene, tell],
  );

  const choosePerson = useCallback((next: Person) => {
    use(next);
    setPerson(next);
    setCart(cartOf(next));
    setSteps([]);
  }, []);

  const follow = useCallback((recommendationId: string | undefined) => void (cameFrom.current = recommendationId), []);
  const retry = useCallback(() => void refresh(context(person)), [context, person, refresh]);

  return useMemo(
    () => ({ person, cart, steps, suggestions, arrive, add, remove, buy, choosePerson, follow, retry }),
    [person, cart, steps, suggestions, arrive, add, remove, buy, choosePerson, follow, retry],
  );
}

export type Shop = ReturnType<typeof useShop>;
